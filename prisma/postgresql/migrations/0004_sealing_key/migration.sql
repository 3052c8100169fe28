-- CreateTable
CREATE TABLE "SealingKey" (
    "id" TEXT COLLATE "C" NOT NULL,
    "secret" BYTEA NOT NULL,
    "expiresAt" BIGINT NOT NULL,

    CONSTRAINT "SealingKey_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "SealingKey_expiresAt_idx" ON "SealingKey"("expiresAt");

