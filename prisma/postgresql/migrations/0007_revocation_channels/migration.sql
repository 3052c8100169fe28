-- AlterTable
ALTER TABLE "Approval" ADD COLUMN     "effectiveAt" BIGINT,
ADD COLUMN     "kind" TEXT NOT NULL DEFAULT '',
ADD COLUMN     "request" TEXT NOT NULL DEFAULT '{}';

-- CreateTable
CREATE TABLE "CrlEntry" (
    "serial" TEXT NOT NULL,
    "authority" TEXT NOT NULL,
    "shard" BIGINT NOT NULL,
    "revokedAt" BIGINT NOT NULL,
    "reason" TEXT NOT NULL,
    "notAfter" BIGINT NOT NULL,
    "addedAt" BIGINT NOT NULL,

    CONSTRAINT "CrlEntry_pkey" PRIMARY KEY ("serial")
);

-- CreateTable
CREATE TABLE "Crl" (
    "id" TEXT NOT NULL,
    "authority" TEXT NOT NULL,
    "scope" TEXT NOT NULL,
    "number" BIGINT NOT NULL,
    "der" BYTEA NOT NULL,
    "thisUpdate" BIGINT NOT NULL,
    "nextUpdate" BIGINT NOT NULL,

    CONSTRAINT "Crl_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Mark" (
    "name" TEXT NOT NULL,
    "at" BIGINT NOT NULL,

    CONSTRAINT "Mark_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "Adoption" (
    "instance" TEXT NOT NULL,
    "agent" TEXT NOT NULL,
    "authority" TEXT NOT NULL,
    "sequence" BIGINT NOT NULL,
    "seenAt" BIGINT NOT NULL,

    CONSTRAINT "Adoption_pkey" PRIMARY KEY ("instance")
);

-- CreateTable
CREATE TABLE "SsfStream" (
    "id" TEXT NOT NULL,
    "client" TEXT NOT NULL,
    "audience" TEXT NOT NULL,
    "delivery" TEXT NOT NULL,
    "endpoint" TEXT,
    "authorization" BYTEA,
    "events" TEXT NOT NULL,
    "description" TEXT,
    "state" TEXT NOT NULL,
    "reason" TEXT,
    "position" BIGINT NOT NULL,
    "version" BIGINT NOT NULL,
    "createdAt" BIGINT NOT NULL,

    CONSTRAINT "SsfStream_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "SsfSet" (
    "id" TEXT NOT NULL,
    "stream" TEXT NOT NULL,
    "position" BIGINT NOT NULL,
    "token" TEXT NOT NULL,
    "createdAt" BIGINT NOT NULL,

    CONSTRAINT "SsfSet_pkey" PRIMARY KEY ("id")
);

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

