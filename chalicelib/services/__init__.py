"""Use cases in domain words; they receive their gateways and know neither HTTP nor boto3."""
