using System.Runtime.CompilerServices;
using System.Text;

namespace Kotonoha.LocalModel.Tensors;

/// <summary>The message of a failed check, put together only when the check failed: a check that holds allocates nothing.</summary>
[InterpolatedStringHandler]
internal ref struct CheckMessage
{
    private readonly StringBuilder? text;

    public CheckMessage(int literalLength, int formattedCount, bool condition, out bool wanted)
    {
        wanted = !condition;
        text = wanted ? new StringBuilder(literalLength + formattedCount * 8) : null;
    }

    public readonly void AppendLiteral(string literal) => text!.Append(literal);

    public readonly void AppendFormatted(string? value) => text!.Append(value);

    public readonly void AppendFormatted(int value) => text!.Append(value);

    public readonly void AppendFormatted(Tensor value) => text!.Append(value.ToString());

    public override readonly string ToString() => text?.ToString() ?? "";
}
