namespace Kotonoha.Foundation;

/// <summary>How far a long piece of work is; reported through <see cref="IProgress{T}"/>, shown by the command line as a bar.</summary>
/// <param name="Stage">The stage in one or two words, for example <c>read</c> or <c>train</c>.</param>
/// <param name="Completed">Units done so far.</param>
/// <param name="Total">Units in all, or null where that is not known yet.</param>
/// <param name="Detail">What is worth saying at this moment (a file name, a loss), or null.</param>
public readonly record struct ProgressReport(string Stage, long Completed, long? Total, string? Detail = null);
