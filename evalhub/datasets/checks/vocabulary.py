"""The English words by which verbs.py reads instructions."""

_VERBS = """
act add adjust analyse analyze answer apply argue arrange ask assess assign assume brainstorm build calculate categorise
categorize change characterise characterize check choose cite clarify classify combine come comment compare compile
complete compose compute conclude condense conduct construct continue contrast convert correct count craft create
criticise criticize critique debug decide deduce define delete demonstrate derive describe design detect determine
develop devise differentiate discuss distinguish draft draw edit elaborate eliminate enumerate estimate evaluate examine
expand explain explore express extend extract factor fill find finish fix form format formulate generate get give group
guess highlight identify illustrate imagine implement improve include indicate infer insert interpret introduce invent
judge label list locate look make match measure mention merge modify name note offer optimise optimize order organise
organize outline paraphrase parse perform pick plan point predict prepare present process produce proofread propose
prove provide put rank rate read rearrange recommend rectify reduce refactor reformat rename reorder reorganise
reorganize rephrase replace reply report represent research respond restate retell return review revise reword rewrite
round search select separate share shorten show simplify simulate solve sort specify spell split state structure
substitute suggest summarise summarize supply synthesise synthesize tag take talk tell test think trace transform
translate turn update use validate verify visualise visualize write
"""
_ENDS = """
of for about that which who whose to in on at with without from by and or but using based as into between among when
where while so if than over under describing explaining containing including given below above via through regarding
related titled called named whether what why how because is are was were has have can could would should following
against across within per like
"""
_LIGHT = "me us a an the this these those some any each its your my our their his her it you them"

VERBS = frozenset(_VERBS.split())  # an instruction begins with one of them
ENDS = frozenset(_ENDS.split())  # with them the verb's object is over
LIGHT = frozenset(_LIGHT.split())  # they are never the object
