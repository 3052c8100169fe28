-- CreateIndex
CREATE INDEX "Instance_evidenceDigest_idx" ON "Instance"("evidenceDigest");

-- CreateIndex
CREATE INDEX "Task_subject_idx" ON "Task"("subject");

