namespace Kotonoha.LocalModel.Training;

/// <summary>How a learning rate falls from the plateau to the minimum.</summary>
public enum DecayCurve
{
    /// <summary>Along a line.</summary>
    Linear,

    /// <summary>As one minus the square root of the progress: fast at first.</summary>
    OneMinusSquareRoot,
}
