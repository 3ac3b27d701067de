"""Use cases. They receive their gateways, and know neither HTTP nor boto3."""
