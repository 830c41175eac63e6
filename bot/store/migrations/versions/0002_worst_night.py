"""Standing runs, pre-emption, break-glass: what their rows need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Every column has a default in the database: the version before goes on writing rows during an upgrade.
    op.add_column("run", sa.Column("settled_at", sa.Float(), nullable=True))
    op.add_column("step", sa.Column("instead", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("step", sa.Column("asked", sa.String(), nullable=False, server_default=""))
    op.add_column("vote", sa.Column("reason", sa.String(), nullable=False, server_default=""))
    op.add_column("vote", sa.Column("signature", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    for table, column in (("vote", "signature"), ("vote", "reason"), ("step", "asked"), ("step", "instead")):
        op.drop_column(table, column)
    op.drop_column("run", "settled_at")
