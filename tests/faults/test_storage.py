"""What goes wrong with the disk (102 to 127), played against the command line or the stores."""
