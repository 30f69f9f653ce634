"""Writes proto/triton/*.proto from the descriptors that the pinned Python packages carry: interface definitions, without their comments.

    pip install tritonclient[grpc]==2.73.0 grpcio-health-checking && python scripts/protos.py proto/triton
"""
import pathlib
import sys

from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2
from tritonclient.grpc import model_config_pb2, service_pb2

Field = descriptor_pb2.FieldDescriptorProto
scalars = {getattr(Field, f"TYPE_{name.upper()}"): name for name in ["double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "bytes", "uint32", "sfixed32", "sfixed64", "sint32", "sint64"]}


def type_name(field, package):
    if field.type in scalars:
        return scalars[field.type]
    return field.type_name.removeprefix(f".{package}.").removeprefix(".")


def message(entry, package, indent=""):
    lines = [f"{indent}message {entry.name} {{"]
    maps = {nested.name: nested for nested in entry.nested_type if nested.options.map_entry}
    for enum in entry.enum_type:
        lines += enumeration(enum, indent + "  ")
    for nested in entry.nested_type:
        if nested.name not in maps:
            lines += message(nested, package, indent + "  ")
    groups = {}
    for field in entry.field:
        key = field.oneof_index if field.HasField("oneof_index") and not field.proto3_optional else None
        groups.setdefault(key if key is not None else ("field", field.number), []).append(field)
    for key, fields in groups.items():
        inside = isinstance(key, int)
        pad = indent + ("    " if inside else "  ")
        if inside:
            lines.append(f"{indent}  oneof {entry.oneof_decl[key].name} {{")
        for field in fields:
            entry_type = maps.get(field.type_name.rsplit(".", 1)[-1]) if field.type == Field.TYPE_MESSAGE else None
            if entry_type is not None:
                kind = f"map<{type_name(entry_type.field[0], package)}, {type_name(entry_type.field[1], package)}>"
            else:
                label = "repeated " if field.label == Field.LABEL_REPEATED else "optional " if field.proto3_optional else ""
                kind = label + type_name(field, package)
            lines.append(f"{pad}{kind} {field.name} = {field.number};")
        if inside:
            lines.append(f"{indent}  }}")
    return [*lines, f"{indent}}}"]


def enumeration(enum, indent=""):
    return [f"{indent}enum {enum.name} {{", *(f"{indent}  {value.name} = {value.number};" for value in enum.value), f"{indent}}}"]


def render(descriptor, renames):
    file = descriptor_pb2.FileDescriptorProto()
    descriptor.CopyToProto(file)
    package = file.package
    lines = ['syntax = "proto3";', "", f"package {package};", ""]
    lines += [f'import "{renames.get(name, name)}";' for name in file.dependency] + [""] * bool(file.dependency)
    for service in file.service:
        lines.append(f"service {service.name} {{")
        for method in service.method:
            given = ("stream " if method.client_streaming else "") + method.input_type.removeprefix(f".{package}.")
            gives = ("stream " if method.server_streaming else "") + method.output_type.removeprefix(f".{package}.")
            lines.append(f"  rpc {method.name}({given}) returns ({gives});")
        lines += ["}", ""]
    for enum in file.enum_type:
        lines += [*enumeration(enum), ""]
    for entry in file.message_type:
        lines += [*message(entry, package), ""]
    return "\n".join(lines)


folder = pathlib.Path(sys.argv[1])
renames = {service_pb2.DESCRIPTOR.name: "grpc_service.proto", model_config_pb2.DESCRIPTOR.name: "model_config.proto"}
for name, descriptor in {"grpc_service": service_pb2.DESCRIPTOR, "model_config": model_config_pb2.DESCRIPTOR, "health": health_pb2.DESCRIPTOR}.items():
    (folder / f"{name}.proto").write_text(render(descriptor, renames))
