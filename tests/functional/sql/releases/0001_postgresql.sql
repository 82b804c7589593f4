CREATE TABLE logbooks (
    uuid VARCHAR(64) COLLATE "C" NOT NULL,
    name VARCHAR(255) COLLATE "C" NOT NULL,
    meta TEXT,
    created_at DOUBLE PRECISION,
    updated_at DOUBLE PRECISION,
    CONSTRAINT pk_logbooks PRIMARY KEY (uuid)
);

CREATE TABLE flows (
    uuid VARCHAR(64) COLLATE "C" NOT NULL,
    book VARCHAR(64) COLLATE "C",
    name VARCHAR(255) COLLATE "C" NOT NULL,
    state VARCHAR(32) COLLATE "C",
    meta TEXT,
    digest VARCHAR(128) COLLATE "C" NOT NULL,
    created_at DOUBLE PRECISION,
    updated_at DOUBLE PRECISION,
    CONSTRAINT pk_flows PRIMARY KEY (uuid)
);

CREATE INDEX ix_flows_book ON flows (book, created_at);

CREATE TABLE atoms (
    flow VARCHAR(64) COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    uuid VARCHAR(64) COLLATE "C" NOT NULL,
    name VARCHAR(255) COLLATE "C" NOT NULL,
    kind VARCHAR(16) COLLATE "C" NOT NULL,
    version VARCHAR(64) COLLATE "C" NOT NULL,
    state VARCHAR(32) COLLATE "C",
    intention VARCHAR(32) COLLATE "C" NOT NULL,
    result TEXT,
    failure TEXT,
    revert_result TEXT,
    revert_failure TEXT,
    meta TEXT,
    CONSTRAINT pk_atoms PRIMARY KEY (flow, number)
);

CREATE UNIQUE INDEX uq_atoms_flow_name ON atoms (flow, name);

CREATE INDEX ix_atoms_uuid ON atoms (uuid);

CREATE TABLE decisions (
    flow VARCHAR(64) COLLATE "C" NOT NULL,
    subject VARCHAR(300) COLLATE "C" NOT NULL,
    attempt BIGINT NOT NULL,
    answer VARCHAR(64) COLLATE "C" NOT NULL,
    CONSTRAINT pk_decisions PRIMARY KEY (flow, subject)
);

CREATE TABLE jobs (
    id VARCHAR(64) COLLATE "C" NOT NULL,
    token VARCHAR(255) COLLATE "C" NOT NULL,
    name VARCHAR(255) COLLATE "C" NOT NULL,
    flow VARCHAR(255) COLLATE "C" NOT NULL,
    version VARCHAR(64) COLLATE "C" NOT NULL,
    store TEXT NOT NULL,
    state VARCHAR(32) COLLATE "C" NOT NULL,
    outcome VARCHAR(32) COLLATE "C" NOT NULL,
    priority BIGINT NOT NULL,
    not_before DOUBLE PRECISION NOT NULL,
    owner VARCHAR(255) COLLATE "C" NOT NULL,
    claim_id VARCHAR(64) COLLATE "C" NOT NULL,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    claimed_seq BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    claims BIGINT NOT NULL,
    shard BIGINT NOT NULL,
    book_uuid VARCHAR(64) COLLATE "C" NOT NULL,
    flow_uuid VARCHAR(64) COLLATE "C" NOT NULL,
    reason TEXT NOT NULL,
    connections TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL,
    CONSTRAINT pk_jobs PRIMARY KEY (id)
);

CREATE UNIQUE INDEX uq_jobs_token ON jobs (token);

CREATE INDEX ix_jobs_pending ON jobs (state, shard, not_before, priority DESC, created_at, id);

CREATE INDEX ix_jobs_owner ON jobs (owner, created_at, id);

CREATE INDEX ix_jobs_flow_uuid ON jobs (flow_uuid);

CREATE INDEX ix_jobs_newest ON jobs (created_at, id);

CREATE INDEX ix_jobs_state ON jobs (state, created_at, id);

CREATE TABLE board (
    name VARCHAR(64) COLLATE "C" NOT NULL,
    value VARCHAR(255) COLLATE "C" NOT NULL,
    CONSTRAINT pk_board PRIMARY KEY (name)
);

CREATE TABLE members (
    incarnation VARCHAR(255) COLLATE "C" NOT NULL,
    info TEXT NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL,
    CONSTRAINT pk_members PRIMARY KEY (incarnation)
);

CREATE TABLE locks (
    name VARCHAR(255) COLLATE "C" NOT NULL,
    owner VARCHAR(255) COLLATE "C" NOT NULL,
    CONSTRAINT pk_locks PRIMARY KEY (name)
);

CREATE INDEX ix_locks_owner ON locks (owner);
