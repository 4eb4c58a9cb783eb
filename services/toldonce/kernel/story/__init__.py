"""The story of one customer: its words (types), its facts (events) and how facts make it (fold)."""
