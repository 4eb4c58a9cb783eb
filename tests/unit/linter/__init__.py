"""The policy linter: each rule fires on what it is for, and keeps quiet beside it."""
