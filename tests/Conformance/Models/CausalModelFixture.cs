using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Conformance.Models;

/// <summary>A loaded model and what is expected of it.</summary>
/// <param name="Folder">The model's folder.</param>
/// <param name="Model">The model.</param>
/// <param name="Session">What computes.</param>
/// <param name="Tensors">expected.safetensors.</param>
/// <param name="Expected">expected.json.</param>
internal sealed record CausalModelFixture(
    string Folder, CausalModel Model, InferenceSession Session, SafetensorsFile Tensors, JsonElement Expected)
{
    private const double Tolerance = 1e-3;
    private const double RecordedFactor = 20;

    /// <summary>The absolute tolerance of a kind of value: the README's, or 20 times the recorded rounding where that is larger.</summary>
    public double ToleranceOf(string name)
        => Expected.TryGetProperty("max_abs_diff_f32_vs_f64", out var recorded) && recorded.TryGetProperty(name, out var difference)
            ? Math.Max(Tolerance, RecordedFactor * difference.GetDouble())
            : Tolerance;

    /// <summary>The rows of a left-padded batch, without their padding; with the columns at which each begins.</summary>
    public (int[][] Rows, int[] Starts, int Width) Unpadded(string ids, string mask)
    {
        int width = checked((int)Tensors[ids].Shape[1]);
        int[] tokens = Tensors.Ids(ids), counted = Tensors.Ids(mask);
        int rows = tokens.Length / width;
        var sequences = new int[rows][];
        var starts = new int[rows];
        for (int r = 0; r < rows; r++)
        {
            starts[r] = Array.IndexOf(counted, 1, r * width, width) - r * width;
            sequences[r] = tokens[(r * width + starts[r])..((r + 1) * width)];
        }

        return (sequences, starts, width);
    }

    /// <summary>Hidden states after the final norm and logits of a batch, row after row.</summary>
    public (float[] Hidden, float[] Logits) Forward(Batch batch)
    {
        var pass = Session.Begin();
        var hidden = Model.Forward(pass, batch);
        var states = pass.Read(hidden).ToArray();
        return (states, pass.Read(Model.Logits(pass, hidden)).ToArray());
    }
}
