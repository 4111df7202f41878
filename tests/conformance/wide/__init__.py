"""Random sequences of API calls over every kind, put to two servers at once; what they answer must be the same."""
