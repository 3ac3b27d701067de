"""DynamoDB tables: declarations, and conditional writes named for what they mean."""
