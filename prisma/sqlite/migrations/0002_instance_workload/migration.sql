-- AlterTable
ALTER TABLE "Instance" ADD COLUMN "workload" TEXT;

-- CreateIndex
CREATE UNIQUE INDEX "Instance_workload_key" ON "Instance"("workload");

