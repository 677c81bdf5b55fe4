-- Version 5. The parts of merged issues, as JSON; issues that were merged before cannot be taken apart.
ALTER TABLE issues ADD COLUMN parts TEXT;
