"""The peer of two consumers in Python, analytics and the ledger of mails: aiokafka and asyncpg. It writes
the same rows into the same tables, with the position in the same transaction."""
