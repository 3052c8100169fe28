-- CreateTable
CREATE TABLE "Agent" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "name" TEXT NOT NULL,
    "owner" TEXT NOT NULL,
    "path" TEXT NOT NULL,
    "identity" TEXT NOT NULL,
    "selectors" TEXT NOT NULL,
    "dnsNames" TEXT NOT NULL,
    "permissions" TEXT NOT NULL,
    "keyClasses" TEXT NOT NULL,
    "x509Lifetime" BIGINT NOT NULL,
    "jwtLifetime" BIGINT NOT NULL,
    "tokenLifetime" BIGINT NOT NULL,
    "maxAttestationAge" BIGINT NOT NULL,
    "renewGrace" BIGINT NOT NULL,
    "maxTaskLifetime" BIGINT NOT NULL,
    "maxDepth" BIGINT NOT NULL,
    "state" TEXT NOT NULL,
    "version" BIGINT NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "updatedAt" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "Instance" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "spiffeId" TEXT NOT NULL,
    "agent" TEXT NOT NULL,
    "node" TEXT,
    "attestor" TEXT NOT NULL,
    "selectors" TEXT NOT NULL,
    "evidenceDigest" TEXT NOT NULL,
    "evidenceSalt" TEXT NOT NULL,
    "keyClass" TEXT NOT NULL,
    "keyClassSource" TEXT NOT NULL,
    "attestedAt" BIGINT NOT NULL,
    "lineage" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "createdAt" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "Node" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "name" TEXT NOT NULL,
    "attestor" TEXT NOT NULL,
    "selectors" TEXT NOT NULL,
    "lastSeen" BIGINT NOT NULL,
    "bundleSequence" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "Resource" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "audience" TEXT NOT NULL,
    "owner" TEXT NOT NULL,
    "spiffeIds" TEXT NOT NULL,
    "actions" TEXT NOT NULL,
    "proxies" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "createdAt" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "Principal" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "subject" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "roles" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "createdAt" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "EnrollSession" (
    "hash" TEXT NOT NULL PRIMARY KEY,
    "attestor" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "context" TEXT NOT NULL,
    "expiresAt" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "JoinToken" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "hash" TEXT NOT NULL,
    "agent" TEXT NOT NULL,
    "createdBy" TEXT NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "expiresAt" BIGINT NOT NULL,
    "redeemedAt" BIGINT,
    "redeemedCsr" TEXT,
    "instance" TEXT,
    "deletedAt" BIGINT
);

-- CreateTable
CREATE TABLE "Authority" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "kind" TEXT NOT NULL,
    "algorithm" TEXT NOT NULL,
    "keyReference" TEXT NOT NULL,
    "publicKey" BLOB NOT NULL,
    "kid" TEXT NOT NULL,
    "certificate" BLOB,
    "issuer" TEXT,
    "state" TEXT NOT NULL,
    "notBefore" BIGINT NOT NULL,
    "notAfter" BIGINT NOT NULL,
    "version" BIGINT NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "publishedAt" BIGINT,
    "activatedAt" BIGINT,
    "retiredAt" BIGINT
);

-- CreateTable
CREATE TABLE "Certificate" (
    "serial" TEXT NOT NULL PRIMARY KEY,
    "kind" TEXT NOT NULL,
    "der" BLOB,
    "authority" TEXT NOT NULL,
    "spiffeId" TEXT,
    "agent" TEXT,
    "instance" TEXT,
    "lineage" TEXT,
    "renewed" TEXT,
    "spkiHash" TEXT NOT NULL,
    "tbsHash" TEXT NOT NULL,
    "crlShard" BIGINT NOT NULL,
    "issuedAt" BIGINT NOT NULL,
    "notBefore" BIGINT NOT NULL,
    "notAfter" BIGINT NOT NULL,
    "state" TEXT NOT NULL,
    "revokedAt" BIGINT,
    "reason" TEXT,
    "idempotencyKey" TEXT
);

-- CreateTable
CREATE TABLE "Task" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "agent" TEXT NOT NULL,
    "instance" TEXT,
    "owner" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "subjectProof" TEXT,
    "authority" TEXT NOT NULL,
    "transaction" TEXT NOT NULL,
    "deadline" BIGINT NOT NULL,
    "maxDepth" BIGINT NOT NULL,
    "maxDerivations" BIGINT NOT NULL,
    "state" TEXT NOT NULL,
    "version" BIGINT NOT NULL,
    "createdBy" TEXT NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "endedAt" BIGINT
);

-- CreateTable
CREATE TABLE "TaskToken" (
    "jti" TEXT NOT NULL PRIMARY KEY,
    "task" TEXT NOT NULL,
    "parent" TEXT,
    "ancestors" TEXT NOT NULL,
    "actor" TEXT NOT NULL,
    "agent" TEXT NOT NULL,
    "instance" TEXT NOT NULL,
    "audience" TEXT NOT NULL,
    "confirmation" TEXT NOT NULL,
    "certificate" TEXT NOT NULL,
    "statusIndex" BIGINT NOT NULL,
    "issuedAt" BIGINT NOT NULL,
    "expiresAt" BIGINT NOT NULL,
    "revokedAt" BIGINT
);

-- CreateTable
CREATE TABLE "Cutoff" (
    "key" TEXT NOT NULL PRIMARY KEY,
    "kind" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    "before" BIGINT NOT NULL,
    "reason" TEXT NOT NULL,
    "createdBy" TEXT NOT NULL,
    "createdAt" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "Replay" (
    "key" TEXT NOT NULL PRIMARY KEY,
    "expiresAt" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "Approval" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "requestDigest" TEXT NOT NULL,
    "rule" TEXT NOT NULL,
    "decisions" TEXT NOT NULL,
    "requestedBy" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "version" BIGINT NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "expiresAt" BIGINT NOT NULL,
    "usedAt" BIGINT
);

-- CreateTable
CREATE TABLE "PolicyBundle" (
    "digest" TEXT NOT NULL PRIMARY KEY,
    "version" BIGINT NOT NULL,
    "bytes" BLOB NOT NULL,
    "signature" BLOB NOT NULL,
    "state" TEXT NOT NULL,
    "createdBy" TEXT NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "activatedAt" BIGINT
);

-- CreateTable
CREATE TABLE "LogLeaf" (
    "hash" TEXT NOT NULL PRIMARY KEY,
    "replica" TEXT NOT NULL,
    "seq" BIGINT NOT NULL,
    "at" BIGINT NOT NULL,
    "type" TEXT NOT NULL,
    "actor" TEXT NOT NULL,
    "object" TEXT NOT NULL,
    "bytes" BLOB NOT NULL,
    "position" BIGINT
);

-- CreateTable
CREATE TABLE "LogPrivate" (
    "leaf" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "salt" TEXT NOT NULL,
    "bytes" BLOB NOT NULL,

    PRIMARY KEY ("leaf", "name")
);

-- CreateTable
CREATE TABLE "LogTile" (
    "level" BIGINT NOT NULL,
    "index" BIGINT NOT NULL,
    "width" BIGINT NOT NULL,
    "bytes" BLOB NOT NULL,

    PRIMARY KEY ("level", "index", "width")
);

-- CreateTable
CREATE TABLE "Checkpoint" (
    "size" BIGINT NOT NULL PRIMARY KEY,
    "rootHash" TEXT NOT NULL,
    "note" TEXT NOT NULL,
    "at" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "Outbox" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "type" TEXT NOT NULL,
    "data" TEXT NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "position" BIGINT
);

-- CreateTable
CREATE TABLE "Lease" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "holder" TEXT NOT NULL,
    "until" BIGINT NOT NULL,
    "fencing" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "ClockMark" (
    "replica" TEXT NOT NULL PRIMARY KEY,
    "mark" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "Counter" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "next" BIGINT NOT NULL
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

