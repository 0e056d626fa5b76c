"""The official weights against what the published package predicted (see scripts/)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn import datasets
from sklearn.metrics import roc_auc_score

from lit_causalmix.backbones.tabpfn_v1.backbone import Member, TabPFNV1
from lit_causalmix.episode import Episode
from lit_causalmix.errors import WeightsError
from lit_causalmix.weights import locate

REFERENCE = json.loads(
    (Path(__file__).parents[2] / "reference" / "tabpfn_v1.json").read_text(encoding="utf-8")
)["cases"]
CASES = sorted(REFERENCE)


@pytest.fixture(scope="module")
def backbone():
    try:
        locate("tabpfn-v1")
    except WeightsError as error:
        pytest.skip(str(error))
    return TabPFNV1().eval()


def arrays(case):
    x, y = getattr(datasets, f"load_{case['table']}")(return_X_y=True)
    x.flat[case["missing"]] = np.nan
    if case["constant"]:
        x = np.insert(x, 1, 7.0, axis=1)
    context, query = case["context"], case["query"]
    return x[context], y[context], x[query], y[query]


def episode(x_context, y_context, x_query, y_query):
    def floats(a):
        return torch.as_tensor(a, dtype=torch.float32)

    return Episode(
        x_context=floats(x_context),
        y_context=torch.as_tensor(y_context),
        context_origin=torch.zeros(len(x_context), dtype=torch.int8),
        x_query=floats(x_query),
        y_query=torch.as_tensor(y_query),
        query_origin=torch.zeros(len(x_query), dtype=torch.int8),
        query_row=torch.arange(len(x_query)),
        categorical=torch.zeros(x_context.shape[1], dtype=torch.bool),
        n_classes=int(y_context.max()) + 1,
    )


@torch.no_grad()
def probabilities(backbone, members, *parts):
    e = episode(*parts)
    return backbone.predict(backbone.predict_members(e, members), e).double().numpy()


@pytest.mark.parametrize("name", CASES)
def test_one_configuration_matches_the_published_probabilities(backbone, name):
    case = REFERENCE[name]
    found = probabilities(backbone, [Member()], *arrays(case))
    np.testing.assert_allclose(found, case["single"], rtol=0, atol=5e-5)


@pytest.mark.parametrize("name", CASES)
def test_ensemble_of_four_matches_the_published_probabilities(backbone, name):
    case = REFERENCE[name]
    members = [Member(c, f, power=bool(p)) for c, f, p in case["members"]]
    found = probabilities(backbone, members, *arrays(case))
    # The published exponents are searched in float32, which leaves 1e-4 of noise.
    np.testing.assert_allclose(found, case["ensemble"], rtol=0, atol=3e-4)


@pytest.mark.parametrize("name", CASES)
def test_standardised_columns_match_as_well(backbone, name):
    case = REFERENCE[name]
    x_context, y_context, x_query, y_query = arrays(case)
    location, scale = np.nanmean(x_context, axis=0), np.nanstd(x_context, axis=0)
    scale[scale == 0] = 1.0
    parts = (x_context - location) / scale, y_context, (x_query - location) / scale, y_query
    found = probabilities(backbone, [Member()], *parts)
    np.testing.assert_allclose(found, case["single"], rtol=0, atol=1e-4)


@pytest.mark.parametrize(("name", "least"), [("breast_cancer", 0.995), ("wine", 0.999)])
def test_zero_shot_is_as_good_as_the_published_one(backbone, name, least):
    parts = arrays(REFERENCE[name])
    found = probabilities(backbone, [Member()], *parts)
    score = found[:, 1] if found.shape[1] == 2 else found / found.sum(axis=1, keepdims=True)
    assert roc_auc_score(parts[3], score, multi_class="ovr") > least


def test_bfloat16_stays_close(backbone):
    e = episode(*arrays(REFERENCE["wine"]))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        found = backbone.predict(backbone(e), e)
    assert np.abs(found.double().numpy() - REFERENCE["wine"]["single"]).max() < 0.05


def test_training_leaves_the_cached_file_alone(backbone):
    tuned = TabPFNV1()
    with torch.no_grad():
        for parameter in tuned.parameters():
            parameter.zero_()
    locate("tabpfn-v1")  # raises if a bit has changed
    fresh = TabPFNV1().state_dict()
    assert all(torch.equal(fresh[name], value) for name, value in backbone.state_dict().items())
