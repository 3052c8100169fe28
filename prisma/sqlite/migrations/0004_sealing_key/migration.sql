-- CreateTable
CREATE TABLE "SealingKey" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "secret" BLOB NOT NULL,
    "expiresAt" BIGINT NOT NULL
);

-- CreateIndex
CREATE INDEX "SealingKey_expiresAt_idx" ON "SealingKey"("expiresAt");

