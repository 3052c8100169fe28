-- AlterTable
ALTER TABLE "Agent" ADD COLUMN     "declaredKeyClass" TEXT COLLATE "C";

