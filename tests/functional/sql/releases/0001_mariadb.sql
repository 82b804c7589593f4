CREATE TABLE logbooks (
    uuid VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    meta LONGTEXT CHARACTER SET utf8mb4,
    created_at DOUBLE,
    updated_at DOUBLE,
    CONSTRAINT pk_logbooks PRIMARY KEY (uuid)
)ENGINE=InnoDB CHARSET=utf8mb4;

CREATE TABLE flows (
    uuid VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    book VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
    name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    state VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
    meta LONGTEXT CHARACTER SET utf8mb4,
    digest VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    created_at DOUBLE,
    updated_at DOUBLE,
    CONSTRAINT pk_flows PRIMARY KEY (uuid)
)ENGINE=InnoDB CHARSET=utf8mb4;

CREATE INDEX ix_flows_book ON flows (book, created_at);

CREATE TABLE atoms (
    flow VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    number BIGINT NOT NULL,
    uuid VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    kind VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    version VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    state VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
    intention VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    result LONGTEXT CHARACTER SET utf8mb4,
    failure LONGTEXT CHARACTER SET utf8mb4,
    revert_result LONGTEXT CHARACTER SET utf8mb4,
    revert_failure LONGTEXT CHARACTER SET utf8mb4,
    meta LONGTEXT CHARACTER SET utf8mb4,
    CONSTRAINT pk_atoms PRIMARY KEY (flow, number)
)ENGINE=InnoDB CHARSET=utf8mb4;

CREATE UNIQUE INDEX uq_atoms_flow_name ON atoms (flow, name);

CREATE INDEX ix_atoms_uuid ON atoms (uuid);

CREATE TABLE decisions (
    flow VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    subject VARCHAR(300) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    attempt BIGINT NOT NULL,
    answer VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    CONSTRAINT pk_decisions PRIMARY KEY (flow, subject)
)ENGINE=InnoDB CHARSET=utf8mb4;

CREATE TABLE jobs (
    id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    token VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    flow VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    version VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    store LONGTEXT CHARACTER SET utf8mb4 NOT NULL,
    state VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    outcome VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    priority BIGINT NOT NULL,
    not_before DOUBLE NOT NULL,
    owner VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    claim_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    claimed_seq BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    claims BIGINT NOT NULL,
    shard BIGINT NOT NULL,
    book_uuid VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    flow_uuid VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    reason LONGTEXT CHARACTER SET utf8mb4 NOT NULL,
    connections LONGTEXT CHARACTER SET utf8mb4 NOT NULL,
    created_at DOUBLE NOT NULL,
    updated_at DOUBLE NOT NULL,
    CONSTRAINT pk_jobs PRIMARY KEY (id)
)ENGINE=InnoDB CHARSET=utf8mb4;

CREATE UNIQUE INDEX uq_jobs_token ON jobs (token);

CREATE INDEX ix_jobs_pending ON jobs (state, shard, not_before, priority DESC, created_at, id);

CREATE INDEX ix_jobs_owner ON jobs (owner, created_at, id);

CREATE INDEX ix_jobs_flow_uuid ON jobs (flow_uuid);

CREATE INDEX ix_jobs_newest ON jobs (created_at, id);

CREATE INDEX ix_jobs_state ON jobs (state, created_at, id);

CREATE TABLE board (
    name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    value VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    CONSTRAINT pk_board PRIMARY KEY (name)
)ENGINE=InnoDB CHARSET=utf8mb4;

CREATE TABLE members (
    incarnation VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    info LONGTEXT CHARACTER SET utf8mb4 NOT NULL,
    expires_at DOUBLE NOT NULL,
    CONSTRAINT pk_members PRIMARY KEY (incarnation)
)ENGINE=InnoDB CHARSET=utf8mb4;

CREATE TABLE locks (
    name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    owner VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
    CONSTRAINT pk_locks PRIMARY KEY (name)
)ENGINE=InnoDB CHARSET=utf8mb4;

CREATE INDEX ix_locks_owner ON locks (owner);
