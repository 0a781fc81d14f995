"""`python -m latkit` is `latkit`."""

from latkit.cli import main

if __name__ == "__main__":
    main()
