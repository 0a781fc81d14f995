"""XGBoost's own JSON of boosted trees, validated before XGBoost reads it, since XGBoost does not validate it."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from latkit.errors import UsageError

MAX_TREES = 5000
MAX_NODES = 2**16
"""Maximum size of one tree."""
MAX_LEAF = 1e6
ROOT = 2**31 - 1
"""The parent index that XGBoost gives a tree's root."""

_Number = Annotated[float, Field(ge=-3e38, le=3e38)]
_Flag = Annotated[int, Field(ge=0, le=1)]


class _Part(BaseModel):
    """Part of a document. Fields that are not declared are dropped."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class _TreeParameters(_Part):
    num_deleted: Literal["0"] = "0"
    num_feature: str
    num_nodes: str
    size_leaf_vector: Literal["0", "1"] = "1"


class _Tree(_Part):
    base_weights: list[_Number]
    categories: list[int] = Field(default=[], max_length=0)
    categories_nodes: list[int] = Field(default=[], max_length=0)
    categories_segments: list[int] = Field(default=[], max_length=0)
    categories_sizes: list[int] = Field(default=[], max_length=0)
    default_left: list[_Flag]
    id: int = Field(ge=0, le=MAX_TREES)
    left_children: list[int] = Field(min_length=1, max_length=MAX_NODES)
    loss_changes: list[_Number]
    parents: list[int]
    right_children: list[int]
    split_conditions: list[_Number]
    split_indices: list[int]
    split_type: list[Literal[0]]
    sum_hessian: list[_Number]
    tree_param: _TreeParameters

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Check that it is a tree: every node but the first has one parent, which comes before it."""
        count = len(self.left_children)
        columns = [value for name, value in self if isinstance(value, list) and not name.startswith("categories")]
        if any(len(column) != count for column in columns) or self.tree_param.num_nodes != str(count):
            raise ValueError("a tree whose nodes are not counted alike")
        parents = {0: ROOT}
        for node, pair in enumerate(zip(self.left_children, self.right_children, strict=True)):
            if pair == (-1, -1):
                if abs(self.split_conditions[node]) > MAX_LEAF:
                    raise ValueError("a leaf that is out of range")
                continue
            for child in pair:
                if not node < child < count or child in parents:
                    raise ValueError("a tree with a node that is not its parent's only")
                parents[child] = node
        if [parents.get(node) for node in range(count)] != self.parents:
            raise ValueError("a tree whose parents are not those of its children")
        return self


class _Trees(_Part):
    gbtree_model_param: dict[str, str]
    iteration_indptr: list[int] | None = None
    tree_info: list[Literal[0]]
    trees: list[_Tree] = Field(max_length=MAX_TREES)


class _GradientBooster(_Part):
    model: _Trees
    name: Literal["gbtree"]


class _LearnerParameters(_Part):
    base_score: str = Field(pattern=r"^\[?-?[0-9.]{1,20}(E-?[0-9]{1,2})?\]?$")
    boost_from_average: Literal["0", "1"] = "1"
    num_class: Literal["0"]
    num_feature: str
    num_target: Literal["1"]


class _Objective(_Part):
    name: Literal["reg:squarederror"]


class _Learner(_Part):
    gradient_booster: _GradientBooster
    learner_model_param: _LearnerParameters
    objective: _Objective


class _Booster(_Part):
    learner: _Learner
    version: tuple[int, int, int]

    @model_validator(mode="after")
    def _check(self) -> Self:
        model, features = self.learner.gradient_booster.model, self.learner.learner_model_param.num_feature
        count = len(model.trees)
        model.gbtree_model_param = {"num_parallel_tree": "1", "num_trees": str(count)}
        if len(model.tree_info) != count or [tree.id for tree in model.trees] != list(range(count)):
            raise ValueError("trees that are not counted alike")
        if model.iteration_indptr not in (None, list(range(count + 1))):
            raise ValueError("trees of unknown rounds")
        for tree in model.trees:
            if tree.tree_param.num_feature != features:
                raise ValueError("trees of different features")
            if any(not 0 <= index < int(features) for index in tree.split_indices):
                raise ValueError("a tree that splits a feature which is not there")
        return self


def booster_to_json(booster: Any) -> object:
    """XGBoost's own JSON of a booster."""
    return json.loads(bytes(booster.save_raw("json")))


def booster_from_json(document: object, features: int) -> Any:
    """An `xgboost.Booster` with `features` features, from XGBoost's own JSON.

    Raises pydantic's ValidationError, and UsageError.
    """
    import xgboost

    checked = _Booster.model_validate(document)
    found = checked.learner.learner_model_param.num_feature
    if found != str(features):
        raise UsageError(f"trees of {found[:20]} features in place of {features}; run latkit fit again")
    known: dict[str, Any] = checked.model_dump(mode="json", exclude_none=True)
    known["learner"] |= {"attributes": {}, "feature_names": [], "feature_types": []}
    known["learner"]["objective"]["reg_loss_param"] = {"scale_pos_weight": "1"}
    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(json.dumps(known).encode()))
    except xgboost.core.XGBoostError as error:
        raise UsageError("trees that XGBoost cannot read").with_detail(error) from error
    return booster
