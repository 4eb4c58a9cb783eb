"""ToldOnce: a customer tells the story once, each contact reaches the best person once."""
