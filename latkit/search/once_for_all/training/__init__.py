"""The training of a supernet: every stage of a curriculum, with every file under one folder."""
