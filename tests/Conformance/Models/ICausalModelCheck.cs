namespace Kotonoha.Conformance.Models;

/// <summary>One kind of expectation of a causal model.</summary>
internal interface ICausalModelCheck
{
    /// <summary>The fields of expected.json and the tensors of expected.safetensors that the check covers.</summary>
    IEnumerable<string> Fields { get; }

    /// <summary>Compares and logs every case.</summary>
    void Run(CausalModelFixture fixture, CaseLog log);
}
