"""Called by Alembic, with the connection that ``twinpane_hub.network.database`` gives it."""

from alembic import context

from twinpane_hub.network.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
