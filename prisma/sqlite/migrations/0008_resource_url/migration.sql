-- AlterTable
ALTER TABLE "Resource" ADD COLUMN "url" TEXT;

