"""The peer of producer-api in Python: FastAPI and aiokafka."""
