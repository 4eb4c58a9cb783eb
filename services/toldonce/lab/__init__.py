"""The laboratory: scenarios and recorded days on the real routing core, and known answers."""
