"""The laboratory: scenarios and recorded days on the real routing core, under any policy."""
