"""The recording app: windows that show what a recorder does. Only here, in the acquire room, is Qt."""
