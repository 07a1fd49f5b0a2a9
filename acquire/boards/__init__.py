"""One module per kind of board; each is imported only when an address asks for it."""
