"""The laboratory: scenarios and recorded days on the real routing core, and what is known of them."""
