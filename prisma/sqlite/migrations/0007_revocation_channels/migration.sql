-- CreateTable
CREATE TABLE "CrlEntry" (
    "serial" TEXT NOT NULL PRIMARY KEY,
    "authority" TEXT NOT NULL,
    "shard" BIGINT NOT NULL,
    "revokedAt" BIGINT NOT NULL,
    "reason" TEXT NOT NULL,
    "notAfter" BIGINT NOT NULL,
    "addedAt" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "Crl" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "authority" TEXT NOT NULL,
    "scope" TEXT NOT NULL,
    "number" BIGINT NOT NULL,
    "der" BLOB NOT NULL,
    "thisUpdate" BIGINT NOT NULL,
    "nextUpdate" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "Mark" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "at" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "Adoption" (
    "instance" TEXT NOT NULL PRIMARY KEY,
    "agent" TEXT NOT NULL,
    "authority" TEXT NOT NULL,
    "sequence" BIGINT NOT NULL,
    "seenAt" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "SsfStream" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "client" TEXT NOT NULL,
    "audience" TEXT NOT NULL,
    "delivery" TEXT NOT NULL,
    "endpoint" TEXT,
    "authorization" BLOB,
    "events" TEXT NOT NULL,
    "description" TEXT,
    "state" TEXT NOT NULL,
    "reason" TEXT,
    "position" BIGINT NOT NULL,
    "version" BIGINT NOT NULL,
    "createdAt" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "SsfSet" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "stream" TEXT NOT NULL,
    "position" BIGINT NOT NULL,
    "token" TEXT NOT NULL,
    "createdAt" BIGINT NOT NULL
);

-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_Approval" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "kind" TEXT NOT NULL DEFAULT '',
    "request" TEXT NOT NULL DEFAULT '{}',
    "requestDigest" TEXT NOT NULL,
    "rule" TEXT NOT NULL,
    "decisions" TEXT NOT NULL,
    "requestedBy" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "version" BIGINT NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "expiresAt" BIGINT NOT NULL,
    "effectiveAt" BIGINT,
    "usedAt" BIGINT
);
INSERT INTO "new_Approval" ("createdAt", "decisions", "expiresAt", "id", "requestDigest", "requestedBy", "rule", "state", "usedAt", "version") SELECT "createdAt", "decisions", "expiresAt", "id", "requestDigest", "requestedBy", "rule", "state", "usedAt", "version" FROM "Approval";
DROP TABLE "Approval";
ALTER TABLE "new_Approval" RENAME TO "Approval";
CREATE INDEX "Approval_requestDigest_idx" ON "Approval"("requestDigest");
CREATE INDEX "Approval_state_expiresAt_idx" ON "Approval"("state", "expiresAt");
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;

-- CreateIndex
CREATE INDEX "CrlEntry_authority_shard_addedAt_idx" ON "CrlEntry"("authority", "shard", "addedAt");

-- CreateIndex
CREATE INDEX "CrlEntry_notAfter_idx" ON "CrlEntry"("notAfter");

-- CreateIndex
CREATE INDEX "Crl_authority_idx" ON "Crl"("authority");

-- CreateIndex
CREATE INDEX "Adoption_seenAt_idx" ON "Adoption"("seenAt");

-- CreateIndex
CREATE INDEX "SsfStream_client_idx" ON "SsfStream"("client");

-- CreateIndex
CREATE INDEX "SsfSet_stream_position_idx" ON "SsfSet"("stream", "position");

