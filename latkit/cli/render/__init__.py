"""Tables and text of the command line: records in, lines out."""
