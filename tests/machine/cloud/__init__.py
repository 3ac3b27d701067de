"""What an EC2 instance reaches: metadata, SSM, S3, git by https, and names, from a folder."""
