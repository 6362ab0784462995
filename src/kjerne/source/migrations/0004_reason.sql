-- Why somebody looked, beside who did (Tillitsrammeverket ATT-43, ATT-46 to ATT-48): the reason in words, whether she gave
-- herself the access, when that was attested, the healthcare service, and the purpose in detail.

ALTER TABLE audit
    ADD COLUMN reason text NOT NULL DEFAULT '',
    ADD COLUMN user_selected boolean,
    ADD COLUMN toa timestamptz,
    ADD COLUMN service text NOT NULL DEFAULT '',
    ADD COLUMN details text NOT NULL DEFAULT '';
