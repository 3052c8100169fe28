-- DropIndex
DROP INDEX "LogLeaf_object_idx";

