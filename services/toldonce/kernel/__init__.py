"""Pure words shared by every service; knows nothing of the rest."""
