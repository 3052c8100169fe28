-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_Principal" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "subject" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "roles" TEXT NOT NULL,
    "subjects" TEXT NOT NULL DEFAULT '[]',
    "agents" TEXT NOT NULL DEFAULT '[]',
    "state" TEXT NOT NULL,
    "version" BIGINT NOT NULL DEFAULT 1,
    "createdAt" BIGINT NOT NULL
);
INSERT INTO "new_Principal" ("createdAt", "id", "name", "roles", "state", "subject") SELECT "createdAt", "id", "name", "roles", "state", "subject" FROM "Principal";
DROP TABLE "Principal";
ALTER TABLE "new_Principal" RENAME TO "Principal";
CREATE UNIQUE INDEX "Principal_subject_key" ON "Principal"("subject");
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;

