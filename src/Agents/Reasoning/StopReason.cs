namespace Kotonoha.Agents.Reasoning;

/// <summary>Why a reasoning strategy ended.</summary>
public enum StopReason
{
    /// <summary>It gave its answer.</summary>
    Answered,

    /// <summary>The model's last reply holds no marked answer; the reply stands in the trace.</summary>
    AnswerMissing,

    /// <summary>The model's last reply was cut off at its length limit before an answer.</summary>
    ReplyCutOff,

    /// <summary>The model did not keep to the form of a step, too often in a row.</summary>
    InvalidSteps,

    /// <summary>The steps allowed are used up.</summary>
    StepLimit,

    /// <summary>The tokens allowed are used up.</summary>
    TokenLimit,

    /// <summary>The time allowed is used up.</summary>
    TimeLimit,

    /// <summary>The model asked for the same action with the same input too often.</summary>
    RepeatedAction,
}
