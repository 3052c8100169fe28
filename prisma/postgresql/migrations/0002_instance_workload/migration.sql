-- AlterTable
ALTER TABLE "Instance" ADD COLUMN     "workload" TEXT COLLATE "C";

-- CreateIndex
CREATE UNIQUE INDEX "Instance_workload_key" ON "Instance"("workload");

