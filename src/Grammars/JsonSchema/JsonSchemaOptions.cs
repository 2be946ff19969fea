namespace Kotonoha.Grammars;

/// <summary>The form of the JSON text that a schema's grammar writes.</summary>
public sealed record JsonSchemaOptions
{
    /// <summary>Whether one blank may stand behind a colon or a comma. Default true.</summary>
    public bool AllowBlanks { get; init; } = true;

    /// <summary>How deep objects and arrays may lie in each other, from 0 to 64 (what System.Text.Json reads). Default 32.</summary>
    public int MaximumDepth { get; init; } = JsonSchema.JsonText.DefaultDepth;

    /// <summary>
    /// The digits that a number may have, before and behind the point together, from 1 to 18. Default 15: what a double keeps apart.
    /// </summary>
    public int MaximumDigits { get; init; } = JsonSchema.JsonNumber.MaximumDigits;

    /// <summary>
    /// Whether whole numbers whose schema gives them no bounds stay within 32 bits, which is what programs most often read them into; a
    /// <c>format</c> of <c>int64</c> or <c>uint64</c> counts as a bound. Default false.
    /// </summary>
    public bool Limits32BitIntegers { get; init; }
}
