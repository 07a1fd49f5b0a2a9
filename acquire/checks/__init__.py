"""What is looked at while recording and before it: contact, mains, heart rate, disk, the computer."""
