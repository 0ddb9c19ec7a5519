"""Tables that somebody has damaged: a named error or labels, never a traceback, and labels that a store can keep."""

import random
from pathlib import Path

import pytest

from ecg12.cache.schema import sha256_of_json
from ecg12.ecg.errors import EcgError
from ecg12.pipeline.labels.apply_labels import apply_labels
from ecg12.pipeline.labels.read_labels import read_labels
from ecg12.pipeline.labels.record_index import RecordKey
from tests.cache.small_store import record_row

RECORDS = [RecordKey("ward", f"A{number}", Path(f"/d/A{number}.hea")) for number in range(4)]
TABLES = (
    "ecg_id,scp_codes,age,sex,strat_fold,recording_date,static_noise,filename_hr\n"
    '1,"{\'NORM\': 100.0}",56.0,1,3,1984-11-09 09:17:34," , I-V1,  ",a/A1\n'
    "2,\"{'SR': 0.0, 'AFIB': 15.0}\",300,0,4,,,a/A2\n",
    "record;AF;LBBB;qt;date;dataset\nA0;1;0;412,5;13/2/2020;ward\nA1;0;;398;1/2/2020;ward\n",
    "file\tdx\tgender\tsplit\nA1.mat\t426783006|164889003\tF\ttrain\nA2.mat\t['NORM' 'SR']\tmale\ttest\n",
)
ODD = [
    "\0",
    "\n",
    '"',
    "'",
    "{",
    "}",
    "\ud7ff",
    "\u2028",
    ",",
    ";",
    "\t",
    "1e999",
    "nan",
    "\x1b[31m",
    "a" * 300,
    "\x85",
]


def damaged(text: str, rng: random.Random) -> bytes:
    data = list(text)
    for _ in range(rng.randint(1, 6)):
        place = rng.randrange(len(data))
        match rng.randrange(4):
            case 0:
                data[place] = rng.choice(ODD)
            case 1:
                data.insert(place, rng.choice(ODD))
            case 2:
                del data[place]
            case 3:
                data[place:place] = data[max(place - rng.randint(1, 30), 0) : place]
    return "".join(data).encode(rng.choice(["utf-8", "utf-8-sig", "utf-16"]))


@pytest.mark.parametrize("seed", range(3))
def test_damaged_tables_are_read_or_refused(tmp_path, seed):
    rng = random.Random(seed)
    refused: list[str] = []
    read = 0
    for number in range(150):
        path = tmp_path / f"{number}.csv"
        path.write_bytes(damaged(TABLES[number % 3], rng))
        try:
            labels = read_labels([path], {}, RECORDS)
        except EcgError as error:
            refused.append(str(error))
            continue
        read += 1
        labels.digest()
        rows = apply_labels([record_row(record.name, dataset=record.dataset) for record in RECORDS], labels)
        for row in rows:
            stated = row.stated
            texts = [*row.dx_codes, stated.fold, stated.site, stated.device, stated.date, stated.quality_note]
            texts += [*stated.targets, *(value for _, value in row.remarks)]
            assert all(text.isprintable() for text in texts), texts
            sha256_of_json([texts, dict(stated.likelihoods), dict(stated.targets), row.age])
    assert [text for text in refused if not text.isprintable()] == []
    assert len(refused) > 20
    assert read > 20
