-- CreateTable
CREATE TABLE "Agent" (
    "id" TEXT COLLATE "C" NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL,
    "owner" TEXT COLLATE "C" NOT NULL,
    "path" TEXT COLLATE "C" NOT NULL,
    "identity" TEXT COLLATE "C" NOT NULL,
    "selectors" TEXT COLLATE "C" NOT NULL,
    "dnsNames" TEXT COLLATE "C" NOT NULL,
    "permissions" TEXT COLLATE "C" NOT NULL,
    "keyClasses" TEXT COLLATE "C" NOT NULL,
    "x509Lifetime" BIGINT NOT NULL,
    "jwtLifetime" BIGINT NOT NULL,
    "tokenLifetime" BIGINT NOT NULL,
    "maxAttestationAge" BIGINT NOT NULL,
    "renewGrace" BIGINT NOT NULL,
    "maxTaskLifetime" BIGINT NOT NULL,
    "maxDepth" BIGINT NOT NULL,
    "state" TEXT COLLATE "C" NOT NULL,
    "version" BIGINT NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "updatedAt" BIGINT NOT NULL,

    CONSTRAINT "Agent_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Instance" (
    "id" TEXT COLLATE "C" NOT NULL,
    "spiffeId" TEXT COLLATE "C" NOT NULL,
    "agent" TEXT COLLATE "C" NOT NULL,
    "node" TEXT COLLATE "C",
    "attestor" TEXT COLLATE "C" NOT NULL,
    "selectors" TEXT COLLATE "C" NOT NULL,
    "evidenceDigest" TEXT COLLATE "C" NOT NULL,
    "evidenceSalt" TEXT COLLATE "C" NOT NULL,
    "keyClass" TEXT COLLATE "C" NOT NULL,
    "keyClassSource" TEXT COLLATE "C" NOT NULL,
    "attestedAt" BIGINT NOT NULL,
    "lineage" TEXT COLLATE "C" NOT NULL,
    "state" TEXT COLLATE "C" NOT NULL,
    "createdAt" BIGINT NOT NULL,

    CONSTRAINT "Instance_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Node" (
    "id" TEXT COLLATE "C" NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL,
    "attestor" TEXT COLLATE "C" NOT NULL,
    "selectors" TEXT COLLATE "C" NOT NULL,
    "lastSeen" BIGINT NOT NULL,
    "bundleSequence" BIGINT NOT NULL,

    CONSTRAINT "Node_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Resource" (
    "id" TEXT COLLATE "C" NOT NULL,
    "audience" TEXT COLLATE "C" NOT NULL,
    "owner" TEXT COLLATE "C" NOT NULL,
    "spiffeIds" TEXT COLLATE "C" NOT NULL,
    "actions" TEXT COLLATE "C" NOT NULL,
    "proxies" TEXT COLLATE "C" NOT NULL,
    "state" TEXT COLLATE "C" NOT NULL,
    "createdAt" BIGINT NOT NULL,

    CONSTRAINT "Resource_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Principal" (
    "id" TEXT COLLATE "C" NOT NULL,
    "subject" TEXT COLLATE "C" NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL,
    "roles" TEXT COLLATE "C" NOT NULL,
    "state" TEXT COLLATE "C" NOT NULL,
    "createdAt" BIGINT NOT NULL,

    CONSTRAINT "Principal_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "EnrollSession" (
    "hash" TEXT COLLATE "C" NOT NULL,
    "attestor" TEXT COLLATE "C" NOT NULL,
    "state" TEXT COLLATE "C" NOT NULL,
    "context" TEXT COLLATE "C" NOT NULL,
    "expiresAt" BIGINT NOT NULL,

    CONSTRAINT "EnrollSession_pkey" PRIMARY KEY ("hash")
);

-- CreateTable
CREATE TABLE "JoinToken" (
    "id" TEXT COLLATE "C" NOT NULL,
    "hash" TEXT COLLATE "C" NOT NULL,
    "agent" TEXT COLLATE "C" NOT NULL,
    "createdBy" TEXT COLLATE "C" NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "expiresAt" BIGINT NOT NULL,
    "redeemedAt" BIGINT,
    "redeemedCsr" TEXT COLLATE "C",
    "instance" TEXT COLLATE "C",
    "deletedAt" BIGINT,

    CONSTRAINT "JoinToken_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Authority" (
    "id" TEXT COLLATE "C" NOT NULL,
    "kind" TEXT COLLATE "C" NOT NULL,
    "algorithm" TEXT COLLATE "C" NOT NULL,
    "keyReference" TEXT COLLATE "C" NOT NULL,
    "publicKey" BYTEA NOT NULL,
    "kid" TEXT COLLATE "C" NOT NULL,
    "certificate" BYTEA,
    "issuer" TEXT COLLATE "C",
    "state" TEXT COLLATE "C" NOT NULL,
    "notBefore" BIGINT NOT NULL,
    "notAfter" BIGINT NOT NULL,
    "version" BIGINT NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "publishedAt" BIGINT,
    "activatedAt" BIGINT,
    "retiredAt" BIGINT,

    CONSTRAINT "Authority_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Certificate" (
    "serial" TEXT COLLATE "C" NOT NULL,
    "kind" TEXT COLLATE "C" NOT NULL,
    "der" BYTEA,
    "authority" TEXT COLLATE "C" NOT NULL,
    "spiffeId" TEXT COLLATE "C",
    "agent" TEXT COLLATE "C",
    "instance" TEXT COLLATE "C",
    "lineage" TEXT COLLATE "C",
    "renewed" TEXT COLLATE "C",
    "spkiHash" TEXT COLLATE "C" NOT NULL,
    "tbsHash" TEXT COLLATE "C" NOT NULL,
    "crlShard" BIGINT NOT NULL,
    "issuedAt" BIGINT NOT NULL,
    "notBefore" BIGINT NOT NULL,
    "notAfter" BIGINT NOT NULL,
    "state" TEXT COLLATE "C" NOT NULL,
    "revokedAt" BIGINT,
    "reason" TEXT COLLATE "C",
    "idempotencyKey" TEXT COLLATE "C",

    CONSTRAINT "Certificate_pkey" PRIMARY KEY ("serial")
);

-- CreateTable
CREATE TABLE "Task" (
    "id" TEXT COLLATE "C" NOT NULL,
    "agent" TEXT COLLATE "C" NOT NULL,
    "instance" TEXT COLLATE "C",
    "owner" TEXT COLLATE "C" NOT NULL,
    "subject" TEXT COLLATE "C" NOT NULL,
    "subjectProof" TEXT COLLATE "C",
    "authority" TEXT COLLATE "C" NOT NULL,
    "transaction" TEXT COLLATE "C" NOT NULL,
    "deadline" BIGINT NOT NULL,
    "maxDepth" BIGINT NOT NULL,
    "maxDerivations" BIGINT NOT NULL,
    "state" TEXT COLLATE "C" NOT NULL,
    "version" BIGINT NOT NULL,
    "createdBy" TEXT COLLATE "C" NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "endedAt" BIGINT,

    CONSTRAINT "Task_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "TaskToken" (
    "jti" TEXT COLLATE "C" NOT NULL,
    "task" TEXT COLLATE "C" NOT NULL,
    "parent" TEXT COLLATE "C",
    "ancestors" TEXT COLLATE "C" NOT NULL,
    "actor" TEXT COLLATE "C" NOT NULL,
    "agent" TEXT COLLATE "C" NOT NULL,
    "instance" TEXT COLLATE "C" NOT NULL,
    "audience" TEXT COLLATE "C" NOT NULL,
    "confirmation" TEXT COLLATE "C" NOT NULL,
    "certificate" TEXT COLLATE "C" NOT NULL,
    "statusIndex" BIGINT NOT NULL,
    "issuedAt" BIGINT NOT NULL,
    "expiresAt" BIGINT NOT NULL,
    "revokedAt" BIGINT,

    CONSTRAINT "TaskToken_pkey" PRIMARY KEY ("jti")
);

-- CreateTable
CREATE TABLE "Cutoff" (
    "key" TEXT COLLATE "C" NOT NULL,
    "kind" TEXT COLLATE "C" NOT NULL,
    "value" TEXT COLLATE "C" NOT NULL,
    "before" BIGINT NOT NULL,
    "reason" TEXT COLLATE "C" NOT NULL,
    "createdBy" TEXT COLLATE "C" NOT NULL,
    "createdAt" BIGINT NOT NULL,

    CONSTRAINT "Cutoff_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "Replay" (
    "key" TEXT COLLATE "C" NOT NULL,
    "expiresAt" BIGINT NOT NULL,

    CONSTRAINT "Replay_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "Approval" (
    "id" TEXT COLLATE "C" NOT NULL,
    "requestDigest" TEXT COLLATE "C" NOT NULL,
    "rule" TEXT COLLATE "C" NOT NULL,
    "decisions" TEXT COLLATE "C" NOT NULL,
    "requestedBy" TEXT COLLATE "C" NOT NULL,
    "state" TEXT COLLATE "C" NOT NULL,
    "version" BIGINT NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "expiresAt" BIGINT NOT NULL,
    "usedAt" BIGINT,

    CONSTRAINT "Approval_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "PolicyBundle" (
    "digest" TEXT COLLATE "C" NOT NULL,
    "version" BIGINT NOT NULL,
    "bytes" BYTEA NOT NULL,
    "signature" BYTEA NOT NULL,
    "state" TEXT COLLATE "C" NOT NULL,
    "createdBy" TEXT COLLATE "C" NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "activatedAt" BIGINT,

    CONSTRAINT "PolicyBundle_pkey" PRIMARY KEY ("digest")
);

-- CreateTable
CREATE TABLE "LogLeaf" (
    "hash" TEXT COLLATE "C" NOT NULL,
    "replica" TEXT COLLATE "C" NOT NULL,
    "seq" BIGINT NOT NULL,
    "at" BIGINT NOT NULL,
    "type" TEXT COLLATE "C" NOT NULL,
    "actor" TEXT COLLATE "C" NOT NULL,
    "object" TEXT COLLATE "C" NOT NULL,
    "bytes" BYTEA NOT NULL,
    "position" BIGINT,

    CONSTRAINT "LogLeaf_pkey" PRIMARY KEY ("hash")
);

-- CreateTable
CREATE TABLE "LogPrivate" (
    "leaf" TEXT COLLATE "C" NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL,
    "salt" TEXT COLLATE "C" NOT NULL,
    "bytes" BYTEA NOT NULL,

    CONSTRAINT "LogPrivate_pkey" PRIMARY KEY ("leaf","name")
);

-- CreateTable
CREATE TABLE "LogTile" (
    "level" BIGINT NOT NULL,
    "index" BIGINT NOT NULL,
    "width" BIGINT NOT NULL,
    "bytes" BYTEA NOT NULL,

    CONSTRAINT "LogTile_pkey" PRIMARY KEY ("level","index","width")
);

-- CreateTable
CREATE TABLE "Checkpoint" (
    "size" BIGINT NOT NULL,
    "rootHash" TEXT COLLATE "C" NOT NULL,
    "note" TEXT COLLATE "C" NOT NULL,
    "at" BIGINT NOT NULL,

    CONSTRAINT "Checkpoint_pkey" PRIMARY KEY ("size")
);

-- CreateTable
CREATE TABLE "Outbox" (
    "id" TEXT COLLATE "C" NOT NULL,
    "type" TEXT COLLATE "C" NOT NULL,
    "data" TEXT COLLATE "C" NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "position" BIGINT,

    CONSTRAINT "Outbox_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Lease" (
    "name" TEXT COLLATE "C" NOT NULL,
    "holder" TEXT COLLATE "C" NOT NULL,
    "until" BIGINT NOT NULL,
    "fencing" BIGINT NOT NULL,

    CONSTRAINT "Lease_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "ClockMark" (
    "replica" TEXT COLLATE "C" NOT NULL,
    "mark" BIGINT NOT NULL,

    CONSTRAINT "ClockMark_pkey" PRIMARY KEY ("replica")
);

-- CreateTable
CREATE TABLE "Counter" (
    "name" TEXT COLLATE "C" NOT NULL,
    "next" BIGINT NOT NULL,

    CONSTRAINT "Counter_pkey" PRIMARY KEY ("name")
);

-- CreateIndex
CREATE UNIQUE INDEX "Agent_name_key" ON "Agent"("name");

-- CreateIndex
CREATE UNIQUE INDEX "Agent_path_key" ON "Agent"("path");

-- CreateIndex
CREATE INDEX "Instance_spiffeId_idx" ON "Instance"("spiffeId");

-- CreateIndex
CREATE INDEX "Instance_agent_idx" ON "Instance"("agent");

-- CreateIndex
CREATE INDEX "Instance_node_idx" ON "Instance"("node");

-- CreateIndex
CREATE INDEX "Instance_lineage_idx" ON "Instance"("lineage");

-- CreateIndex
CREATE INDEX "Node_name_idx" ON "Node"("name");

-- CreateIndex
CREATE UNIQUE INDEX "Resource_audience_key" ON "Resource"("audience");

-- CreateIndex
CREATE UNIQUE INDEX "Principal_subject_key" ON "Principal"("subject");

-- CreateIndex
CREATE INDEX "EnrollSession_expiresAt_idx" ON "EnrollSession"("expiresAt");

-- CreateIndex
CREATE UNIQUE INDEX "JoinToken_hash_key" ON "JoinToken"("hash");

-- CreateIndex
CREATE INDEX "JoinToken_agent_idx" ON "JoinToken"("agent");

-- CreateIndex
CREATE INDEX "Authority_kind_state_idx" ON "Authority"("kind", "state");

-- CreateIndex
CREATE INDEX "Authority_kid_idx" ON "Authority"("kid");

-- CreateIndex
CREATE UNIQUE INDEX "Certificate_idempotencyKey_key" ON "Certificate"("idempotencyKey");

-- CreateIndex
CREATE INDEX "Certificate_lineage_issuedAt_idx" ON "Certificate"("lineage", "issuedAt");

-- CreateIndex
CREATE INDEX "Certificate_instance_idx" ON "Certificate"("instance");

-- CreateIndex
CREATE INDEX "Certificate_spkiHash_idx" ON "Certificate"("spkiHash");

-- CreateIndex
CREATE INDEX "Certificate_notAfter_idx" ON "Certificate"("notAfter");

-- CreateIndex
CREATE INDEX "Certificate_state_issuedAt_idx" ON "Certificate"("state", "issuedAt");

-- CreateIndex
CREATE INDEX "Task_agent_idx" ON "Task"("agent");

-- CreateIndex
CREATE INDEX "Task_state_deadline_idx" ON "Task"("state", "deadline");

-- CreateIndex
CREATE INDEX "TaskToken_task_issuedAt_idx" ON "TaskToken"("task", "issuedAt");

-- CreateIndex
CREATE INDEX "TaskToken_agent_issuedAt_idx" ON "TaskToken"("agent", "issuedAt");

-- CreateIndex
CREATE INDEX "TaskToken_expiresAt_idx" ON "TaskToken"("expiresAt");

-- CreateIndex
CREATE INDEX "Cutoff_createdAt_idx" ON "Cutoff"("createdAt");

-- CreateIndex
CREATE INDEX "Replay_expiresAt_idx" ON "Replay"("expiresAt");

-- CreateIndex
CREATE INDEX "Approval_requestDigest_idx" ON "Approval"("requestDigest");

-- CreateIndex
CREATE INDEX "Approval_state_expiresAt_idx" ON "Approval"("state", "expiresAt");

-- CreateIndex
CREATE UNIQUE INDEX "PolicyBundle_version_key" ON "PolicyBundle"("version");

-- CreateIndex
CREATE INDEX "PolicyBundle_state_idx" ON "PolicyBundle"("state");

-- CreateIndex
CREATE UNIQUE INDEX "LogLeaf_position_key" ON "LogLeaf"("position");

-- CreateIndex
CREATE INDEX "LogLeaf_object_idx" ON "LogLeaf"("object");

-- CreateIndex
CREATE UNIQUE INDEX "LogLeaf_replica_seq_key" ON "LogLeaf"("replica", "seq");

-- CreateIndex
CREATE UNIQUE INDEX "Outbox_position_key" ON "Outbox"("position");

