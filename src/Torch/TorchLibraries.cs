using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Kotonoha.LocalModel.Devices;
using TorchSharp;

namespace Kotonoha.LocalModel.Torch;

/// <summary>
/// Loads libtorch and TorchSharp's native library before TorchSharp is first touched. The usual way is TorchSharp's own; this class helps
/// where that fails: with a libtorch in a folder of its own (a Python PyTorch's, for example), and on systems whose C++ library is older
/// than the one that TorchSharp was built with.
/// </summary>
/// <remarks>
/// The native library of TorchSharp 0.107 asks for the symbol version GLIBCXX_3.4.32, which Debian 12 and Ubuntu 22.04 do not have. Its
/// only symbol of that version is a marker without effect, so a copy of the library in which the version is optional works there.
/// The environment variable KOTONOHA_LIBTORCH or the setting Kotonoha.Torch.Libraries of runtimeconfig.json names a folder of libtorch for
/// the whole application.
/// </remarks>
internal static class TorchLibraries
{
    private const string Native = "LibTorchSharp";
    private const string NativeFile = "libLibTorchSharp.so";
    private const string FolderSetting = "Kotonoha.Torch.Libraries";
    private const string FolderVariable = "KOTONOHA_LIBTORCH";
    private const string MissingVersion = "GLIBCXX_3.4.32";

    // In the order in which they need each other; those of a build for another device are not there.
    private static readonly string[] Libraries =
    [
        "libgomp-*.so*", "libc10.so", "libtorch_cpu.so", "libc10_cuda.so", "libtorch_cuda_linalg.so", "libtorch_cuda.so", "libtorch.so"
    ];

    private static readonly Lock Gate = new();
    private static bool _loaded;

    /// <summary>Loads the libraries, once.</summary>
    /// <param name="device">The device that is asked for, for messages.</param>
    /// <param name="folder">The folder of libtorch; null for the one that came with the application's packages.</param>
    /// <exception cref="DeviceNotAvailableException">A library is missing or cannot be loaded.</exception>
    public static void Load(string device, string? folder)
    {
        lock (Gate)
        {
            if (_loaded)
                return;
            if (OperatingSystem.IsLinux())
                LoadOnLinux(device, folder);
            else if (folder is not null)
                throw new DeviceNotAvailableException(device, "a libtorch in a folder of its own is supported on Linux only.");
            try
            {
                torch.InitializeDeviceType(DeviceType.CPU);
            }
            catch (Exception exception) when (exception is NotSupportedException or DllNotFoundException or TypeInitializationException)
            {
                throw new DeviceNotAvailableException(device, "libtorch cannot be loaded. Add the package TorchSharp-cpu, "
                    + $"TorchSharp-cuda-linux or TorchSharp-cuda-windows to the application. ({FirstLine(exception)})");
            }

            _loaded = true;
        }
    }

    private static void LoadOnLinux(string device, string? folder)
    {
        folder ??= Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } variable
            ? variable
            : AppContext.GetData(FolderSetting) as string ?? FolderOf("libtorch_cpu.so");
        var native = Find(NativeFile);
        if (folder is null || native is null)
        {
            // TorchSharp looks in more places, and says where.
            return;
        }

        if (!File.Exists(Path.Combine(folder, "libtorch_cpu.so")))
            throw new DeviceNotAvailableException(device, $"there is no libtorch_cpu.so in '{folder}'.");
        foreach (var pattern in Libraries)
            foreach (var file in Directory.GetFiles(folder, pattern))
                LoadFile(device, file);
        if (!NativeLibrary.TryLoad(native, out nint handle))
            handle = LoadFile(device, WithoutMissingVersion(device, native));
        try
        {
            NativeLibrary.SetDllImportResolver(typeof(torch).Assembly, (name, _, _) => name == Native ? handle : 0);
        }
        catch (InvalidOperationException)
        {
            // The application has a resolver of its own and knows what it does.
        }
    }

    private static nint LoadFile(string device, string file)
    {
        try
        {
            return NativeLibrary.Load(file);
        }
        catch (DllNotFoundException exception)
        {
            throw new DeviceNotAvailableException(device, $"'{file}' cannot be loaded: {FirstLine(exception)}");
        }
    }

    /// <summary>
    /// A copy of the native library in which the version that older systems lack is optional; made once for each content.
    /// </summary>
    private static string WithoutMissingVersion(string device, string file)
    {
        byte[] content = File.ReadAllBytes(file);
        if (!MakeWeak(content, MissingVersion))
            return file;
        var hash = Convert.ToHexStringLower(SHA256.HashData(content))[..16];
        var cache = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
        var target = Path.Combine(cache.Length > 0 ? cache : Path.GetTempPath(), "kotonoha", "torch", hash, NativeFile);
        if (File.Exists(target))
            return target;
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            var temporary = $"{target}.{Environment.ProcessId}";
            File.WriteAllBytes(temporary, content);
            File.Move(temporary, target, overwrite: true);
            return target;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DeviceNotAvailableException(device, $"'{target}' cannot be written: {exception.Message}");
        }
    }

    /// <summary>Marks a needed symbol version of a 64-bit ELF library as optional (weak), so that the loader goes on without it.</summary>
    /// <returns>False where the library does not need the version.</returns>
    internal static bool MakeWeak(Span<byte> elf, string version)
    {
        const int dynamicSegment = 2, loadSegment = 1, stringTable = 5, neededVersions = 0x6ffffffe, neededVersionCount = 0x6fffffff;
        const ushort weak = 2;
        if (elf.Length < 64 || !elf.StartsWith("\u007fELF"u8) || elf[4] != 2 || elf[5] != 1)
            return false;
        long programHeaders = Int64(elf, 32);
        int entrySize = UInt16(elf, 54), entries = UInt16(elf, 56);
        var segments = new List<(long File, long Address, long Size)>();
        long dynamic = -1, dynamicSize = 0;
        for (int i = 0; i < entries; i++)
        {
            var header = elf[(int)(programHeaders + i * entrySize)..];
            var segment = (File: Int64(header, 8), Address: Int64(header, 16), Size: Int64(header, 32));
            if (Int32(header, 0) == loadSegment)
                segments.Add(segment);
            else if (Int32(header, 0) == dynamicSegment)
                (dynamic, dynamicSize) = (segment.File, segment.Size);
        }

        if (dynamic < 0)
            return false;
        long strings = -1, versions = -1, count = 0;
        for (long at = dynamic; at < dynamic + dynamicSize; at += 16)
        {
            long tag = Int64(elf, (int)at), value = Int64(elf, (int)at + 8);
            if (tag == stringTable)
                strings = ToFile(value);
            else if (tag == neededVersions)
                versions = ToFile(value);
            else if (tag == neededVersionCount)
                count = value;
        }

        if (strings < 0 || versions < 0)
            return false;
        bool found = false;
        var wanted = Encoding.ASCII.GetBytes(version + '\0');
        for (; count > 0; count--)
        {
            int file = (int)versions, auxiliary = file + Int32(elf, file + 8);
            for (int i = UInt16(elf, file + 2); i > 0; i--)
            {
                if (elf[(int)(strings + Int32(elf, auxiliary + 8))..].StartsWith(wanted))
                {
                    BinaryPrimitives.WriteUInt16LittleEndian(elf[(auxiliary + 4)..], (ushort)(UInt16(elf, auxiliary + 4) | weak));
                    found = true;
                }

                auxiliary += Int32(elf, auxiliary + 12);
            }

            versions += Int32(elf, file + 12);
        }

        return found;

        long ToFile(long address)
        {
            foreach (var segment in segments)
                if (address >= segment.Address && address < segment.Address + segment.Size)
                    return address - segment.Address + segment.File;
            return -1;
        }
    }

    private static long Int64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadInt64LittleEndian(bytes[at..]);

    private static int Int32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadInt32LittleEndian(bytes[at..]);

    private static ushort UInt16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static string? FolderOf(string file) => Path.GetDirectoryName(Find(file));

    // Where the host of .NET found native libraries, and where a publish puts them.
    private static string? Find(string file)
    {
        var searched = (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "").Split(Path.PathSeparator)
            .Append(AppContext.BaseDirectory)
            .Append(Path.Combine(AppContext.BaseDirectory, "runtimes", RuntimeInformation.RuntimeIdentifier, "native"))
            .Append(Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native"));
        return searched.Where(f => f.Length > 0).Select(f => Path.Combine(f, file)).FirstOrDefault(File.Exists);
    }

    private static string FirstLine(Exception exception)
        => (exception.InnerException ?? exception).Message.Split('\n', 2)[0].Trim();
}
