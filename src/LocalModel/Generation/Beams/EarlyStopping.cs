namespace Kotonoha.LocalModel.Generation.Beams;

/// <summary>When beam search stops although beams still run.</summary>
public enum EarlyStopping
{
    /// <summary>When the best running beam, at its present length, cannot beat the worst finished one.</summary>
    WhenUnlikely,

    /// <summary>As soon as as many hypotheses are finished as there are beams.</summary>
    Always,

    /// <summary>Only when no continuation up to the maximum length can beat the worst finished one.</summary>
    Never,
}
